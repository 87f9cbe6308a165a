"""Somebody else's small library."""


def total(numbers):
    result = 0
    for number in numbers:
        result += number
    return result


class Stack:
    def __init__(self, items):
        self.items = list(items)

    def drain(self):
        count = 0
        while self.items:
            count += self.items.pop()
        return count

    def fold(self):
        self.items = [total(self.items)]
