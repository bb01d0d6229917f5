"""What commands of `parley` do, where it is more than a few lines."""
