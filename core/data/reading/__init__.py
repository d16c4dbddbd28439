"""From a source to Parquet: files, archives, encodings, dialects, the Hub, uploads, the sample."""
