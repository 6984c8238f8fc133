"""Answer checking, shared by families and data sets: text in, Verdict out."""
