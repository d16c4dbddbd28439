"""What a folder of files is: which of them are data, in which splits, and what the names of folders say."""
