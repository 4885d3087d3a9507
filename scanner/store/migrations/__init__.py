"""How a store's tables came to be; applied when a store is opened for writing."""
