"""The network for numbers: it reads a strip of ink window by window, and says where which digit is."""
