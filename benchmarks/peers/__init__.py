"""What users would otherwise pick, each as good as it gets: one file per server, run by the interpreter of its venv."""
