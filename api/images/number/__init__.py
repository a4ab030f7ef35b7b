"""`?fit=number`: finds the digits of one number in a picture, and reads it. Pure functions."""
