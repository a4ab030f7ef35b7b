"""The page in the browser: its route here, its HTML, CSS and JavaScript in `assets/`."""
