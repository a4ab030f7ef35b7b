"""HTTP below the routes: limits per connection, access keys, request ids, parameters, responses."""
