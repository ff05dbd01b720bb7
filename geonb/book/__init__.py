"""What a page of the book is, how it runs, what it leaves, and how the book is built of it."""
