"""`python -m deploy.local`."""

from deploy.local.run import main

main()
