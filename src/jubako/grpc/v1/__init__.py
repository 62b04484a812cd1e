"""jubako's own services: what HTTP offers in OpenAI's shapes, with a typed message for each request and answer."""
