"""Does training run: how fast, and does the loss fall?"""
