"""What is made of weights before an engine loads them."""
