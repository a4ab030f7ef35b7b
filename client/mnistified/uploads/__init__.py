"""The conversion of images and files to request bodies."""
