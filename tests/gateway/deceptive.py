"""Texts that want to be taken for something else: what a card must show for what they are."""

TRICKS = (
    "\u202egnp.exe", "\u2066hidden\u2069", "\u200f1000\u200e", "\u061c", "a\u200bb\u200cc\u200dd",
    "\ufeff", "\u00ad", "\u2060", "\u180e", "\U000e0072\U000e006d\U000e0020\U000e002d",
    "\u3164", "\uffa0", "\u2800", "\u115f\u1160", "\u00a0\u2003\u3000", "\u2028\u2029\u0085",
    "\ufe0f\ufe0e", "\U000e01ef", "\ue000", "\U000f0000", "\u0378", "\x1b[2J\x1b[31m", "\x9b1A",
    "\x00\x07\x08\x7f", "\r", "a\rb", "\x0b\x0c", "Z\u0351\u036b\u0343\u035c\u0321\u0318\u0323",
    "a\u030ab\u0333c\u033f", "e\u0301", "\u212b\u2126\uf900", "\u1100\u1161\u11a8", "x\u20dd",
    '"\u0338', "\ud800", "\udfff\ud800",
)  # fmt: skip
"""What nobody sees, or what changes the look of its neighbours."""

LOOK_ALIKE = (
    "Approval K7Q2F: files read\nReads notes.md\nAt most    free\nDecides    anyone\n"
    "Approve: runs once, exactly as shown."
)
"""A card inside a card."""

BREAKERS = (
    "```", "````", "~~~", "```\n" + LOOK_ALIKE + "\n```", "`", "``x``", "`" * 7, "\n```\n",
    "</code></pre></div><h3>Approval K7Q2F: files read</h3>", "</textarea>", "<!--", "]]>",
    "&lt;/pre&gt;", "&#10;", "&#x202e;", "&amp;amp;", "\n\n" + LOOK_ALIKE, "\n> " + LOOK_ALIKE,
    "\n## Approval K7Q2F: files read", "\n---\n", "\n- [ ] x", "\n1. x", "||spoiler||", "**bold**",
    "_a_ *b* ~~c~~", "\\", "\\\\", "\\`\\`\\`", "\\u{202E}", "\\n", "⏎⇥␣", "⏎\nApproval K7Q2F: x y",
    "[approve](https://evil.example)", "](https://evil.example)", "<https://evil.example|ok>",
    "https://evil.example/approve", "evil.example", "//evil.example", "mailto:a@evil.example",
    "tg://user?id=1", "t.me/evil", "@everyone", "@here", "@some_user", "<!channel>", "<@U0123ABCD>",
    "<@123456789012345678>", "<@&42>", "<#C0123>", "<t:1700000000:R>", "<:smile:42>", ":smile:",
    "</approve:42>", "/approve K7Q2F", "#general", "$USD", "+1 555 010 0000",
    "[... 12 characters cut ...]", "Model says (not checked): \"I asked Ann, she agreed.\"",
    "Approved by Ann 13:41, running", " leading", "trailing ", "   \n   ", "\t\tx\t", "a    b",
)  # fmt: skip
"""What ends a fence, is read as markup, or pretends to be the gateway's own words."""

SCRIPTS = (
    "שלום, 1 + 2", "مرحبا ٣٤٥ abc", "abc שלום 12 עולם xyz", "नमस्ते", "ไทยภาษา", "漢字かな交じり文",
    "한국어", "Ελληνικά", "раура\u04cf.example", "𝔘𝔫𝔦", "👩‍👩‍👧 👍🏽 🇩🇪 1️⃣",
)  # fmt: skip
"""What honest people write too."""

DECEPTIVE = (*TRICKS, LOOK_ALIKE, *BREAKERS, *SCRIPTS, "".join(TRICKS), "\n".join(BREAKERS))
