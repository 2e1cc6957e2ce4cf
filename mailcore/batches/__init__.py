"""One message to many: recipients from a file, sent in groups by workers, each recipient accounted for."""
