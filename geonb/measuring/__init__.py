"""What is measured of errors, embeddings and features: tables in, tables out."""
