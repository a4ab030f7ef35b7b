"""The MNIST dataset, or a drawn sample if MNIST is not available."""
