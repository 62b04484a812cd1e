"""llama.cpp in the instance's own process, through xllamacpp."""
