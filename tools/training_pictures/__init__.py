"""Pictures that are added to MNIST for training: digits in type and by pen, and pictures of what is no digit."""
