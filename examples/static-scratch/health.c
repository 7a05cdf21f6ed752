#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words)
{
    if (count > 1 && strcmp(words[1], "--check") == 0)
        return 0;
    printf("uid %d, alone\n", (int) getuid());
    return 0;
}
