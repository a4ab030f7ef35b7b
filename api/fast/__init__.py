"""The fast path: requests for one plain image, from their bytes on the connection to the bytes of the answer."""
