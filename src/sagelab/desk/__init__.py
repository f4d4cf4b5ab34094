"""Where a learner sits: copies of the labs, JupyterLab on them, and the page that it all begins with."""
