package org.example;

import org.apache.commons.lang3.StringUtils;

public final class Titles {
    public static void main(String[] words) {
        System.out.println(StringUtils.capitalize(String.join(" ", words)));
    }
}
