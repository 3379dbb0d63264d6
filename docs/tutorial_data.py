"""Print a dataset for the tutorial: 1200 made-up passwords, used 0, 2 or 10 times; the letters tell which.

Stands for a dataset of your own: two columns, ``Password`` and ``Times``.
"""

import random

ALPHABETS = {0: "abcdefgh", 2: "ijklmnop", 10: "qrstuvwx"}
ROWS = 1200

rng = random.Random(1)
passwords: dict[str, int] = {}
while len(passwords) < ROWS:
    times = rng.choice(list(ALPHABETS))
    passwords["".join(rng.choices(ALPHABETS[times] + "yz0123456789", k=rng.randint(6, 12)))] = times
print("Password,Times")
for password, times in passwords.items():
    print(f"{password},{times}")
