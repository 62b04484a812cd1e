"""Models in Hugging Face's format on LMDeploy."""
