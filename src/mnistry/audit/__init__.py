"""Label errors, duplicates, image quality and class balance of a data set."""
