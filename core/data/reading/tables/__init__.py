"""Tables that are typed already: Parquet, Arrow, Excel workbooks; read within bounds, nesting made flat."""
