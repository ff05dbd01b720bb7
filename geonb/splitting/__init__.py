"""Which photos train and which test, among which places they are located, and which photos meet in a batch."""
