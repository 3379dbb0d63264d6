"""The trigger service: takes data addresses, submits runs, tells what became of them."""
