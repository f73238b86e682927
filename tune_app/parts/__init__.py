"""What users can bring, and what ships: data sets, networks, splits."""
