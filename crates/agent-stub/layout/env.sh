#!/bin/bash
# Keeps a few variables and the search path for later starts of the agent.

names=(LANG JAVA_HOME ANT_HOME M2_HOME ANDROID_HOME GRADLE_HOME NVM_BIN NVM_PATH LD_LIBRARY_PATH PERL5LIB)

{
    for name in "${names[@]}"; do
        if [ -n "${!name}" ]; then
            echo "$name=${!name}"
        fi
    done
} > .env
echo "$PATH" > .path
