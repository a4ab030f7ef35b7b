"""The `import` command: publishing a model file that was made elsewhere as a version."""
