"""Files from elsewhere: downloads and git repositories, as sources of ADD."""
