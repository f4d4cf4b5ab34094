"""What stands for the images of Model Monitor: it knows a container's folders and variables alone."""
