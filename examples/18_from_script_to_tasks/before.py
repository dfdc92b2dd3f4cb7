"""The script as it was: functions that are called one after the other."""


def is_prime(number: int) -> bool:
    return number > 1 and all(number % n for n in range(2, int(number**0.5) + 1))


def count_primes(first: int, last: int) -> int:
    return sum(map(is_prime, range(first, last)))


def describe(count: int) -> str:
    return f"{count} primes below 5,000"


if __name__ == "__main__":
    found = count_primes(0, 5_000)
    print(describe(found))
