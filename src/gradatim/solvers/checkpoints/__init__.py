"""The shipped checkpoints of the tiny policy, beside the script that remakes them."""
