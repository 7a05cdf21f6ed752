#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words)
{
    int last = count > 1 ? atoi(words[1]) : 10;
    for (int number = 2; number <= last; number++) {
        int divisor = 2;
        while (number % divisor)
            divisor++;
        if (divisor == number)
            printf("%d\n", number);
    }
    return 0;
}
