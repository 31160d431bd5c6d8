"""What our stores say, told to other systems; our stores remain the truth."""
