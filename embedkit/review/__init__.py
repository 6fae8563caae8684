"""What a person decides of suspects: the decisions kept, the page they are made on."""
