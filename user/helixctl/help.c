/* Help and completion, from the table of commands. */
#include "helixctl.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

void help_print(void)
{
    printf(
        "%shelixctl%s looks into the running kernel and steers it, through the files of /helix.\n\n"
        "    helixctl [--json] [--color=always|never|auto] [COMMAND [WORD...]]\n\n",
        style_begin(STYLE_HEADING), style_end(STYLE_HEADING));
    for (const struct command *each = commands; each->name != NULL; each++) {
        printf("  %s%-12s%s %s\n", style_begin(STYLE_HEADING), each->name, style_end(STYLE_HEADING),
               each->meaning);
    }
    printf("\n  --json   for programs: tables as JSON\n"
           "  --color  colours; auto, which it is without the option, means on a terminal,\n"
           "           unless NO_COLOR is set\n"
           "  --help   with a command, more about it\n\n"
           "Exit status: 0 done, 1 refused or not there, 2 not understood.\n");
}

void help_print_command(const struct command *command)
{
    printf("helixctl %s%s%s %s\n\n%s.\n%s%s\nFor example: helixctl %s\n",
           style_begin(STYLE_HEADING), command->name, style_end(STYLE_HEADING), command->arguments,
           command->meaning, *command->details != '\0' ? "\n" : "", command->details,
           command->example);
}

int run_help(struct request *request)
{
    const struct command *command;

    if (!request_has_words(request, 0, 1)) {
        return STATUS_USAGE;
    }
    if (request->count == 0) {
        help_print();
        return STATUS_OK;
    }
    command = command_find(request->words[0]);
    if (command == NULL) {
        return request_is_wrong(request, "there is no command '%s'", request->words[0]);
    }
    help_print_command(command);
    return STATUS_OK;
}

/* --- completion ------------------------------------------------------------------------------- */

static void print_names(void)
{
    for (const struct command *each = commands; each->name != NULL; each++) {
        printf("%s%s", each == commands ? "" : " ", each->name);
    }
}

int run_completion(struct request *request)
{
    if (!request_has_words(request, 1, 1)) {
        return STATUS_USAGE;
    }
    if (strcmp(request->words[0], "bash") == 0) {
        printf("complete -W '");
        print_names();
        printf("' helixctl\n");
        return STATUS_OK;
    }
    if (strcmp(request->words[0], "zsh") == 0) {
        printf("compdef '_arguments \"1:command:(");
        print_names();
        printf(")\"' helixctl\n");
        return STATUS_OK;
    }
    return request_is_wrong(request, "it knows bash and zsh, not '%s'", request->words[0]);
}
