"""One type for each column and one numbering of its classes, whatever the files of a dataset hold."""
