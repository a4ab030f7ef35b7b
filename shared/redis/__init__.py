"""Redis connections and the names of keys."""
