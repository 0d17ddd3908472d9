"""What a network is worth on the data: its loss and accuracy, and what they are held against."""
