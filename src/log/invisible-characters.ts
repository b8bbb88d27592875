/** Which characters cannot be seen, by Unicode property: two texts that differ in them alone look the same. */

/** For a character class of a regular expression with the flag `u` or `v`. U+2800 is an empty braille cell. */
export const invisibleClass = '\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}\\u2800';

/** White space other than the blank: a no-break space looks like a blank, an em quad like two. */
export const oddSpace = '(?! )\\p{Zs}';
