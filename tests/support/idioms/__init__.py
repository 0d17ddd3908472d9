"""How models write out what torch also has as one operator: small networks of every kind."""
