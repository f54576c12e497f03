"""The folder of a run: the name, writer and reader of every file in it, and a trained model loaded again."""
