"""The transport's tests, a package for the sake of their virtual clock."""
