"""What a user would pick instead of `pricebench serve`, each set up as its own documentation advises, and no more."""
