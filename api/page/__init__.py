"""The page in the browser: its routes, and its HTML, CSS and JavaScript in `assets/`."""
