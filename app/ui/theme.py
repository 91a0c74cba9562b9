"""The look: a calm theme with system fonts alone, light and dark, and labels that meet WCAG AA contrast."""

from __future__ import annotations

import gradio as gr
from gradio.themes import colors

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "Cascadia Code", "Noto Sans Mono", "monospace")

INK = colors.Color(
    name="ink",
    c50="#f6f7f8",
    c100="#eceef0",
    c200="#dcdfe3",
    c300="#c1c6cd",
    c400="#8f97a1",
    c500="#666e79",
    c600="#4a525c",
    c700="#363d46",
    c800="#242a31",
    c900="#191d23",
    c950="#111418",
)
PINE = colors.Color(
    name="pine",
    c50="#eef7f4",
    c100="#d6ece5",
    c200="#aed9cb",
    c300="#7dc0ab",
    c400="#4aa189",
    c500="#2a836c",
    c600="#1d6a57",
    c700="#195547",
    c800="#17443a",
    c900="#143831",
    c950="#09201c",
)


def theme() -> gr.themes.Base:
    """Easel's theme. The accent is used for one thing alone: what can be done next."""
    look = gr.themes.Base(primary_hue=PINE, secondary_hue=PINE, neutral_hue=INK, font=FONT, font_mono=MONO)
    return look.set(
        body_background_fill="#f6f7f8",
        body_background_fill_dark="#111418",
        body_text_color="#191d23",
        body_text_color_dark="#eceef0",
        body_text_color_subdued="#4a525c",
        body_text_color_subdued_dark="#aab1ba",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#191d23",
        block_background_fill="#ffffff",
        block_background_fill_dark="#191d23",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color="#363d46",
        block_label_text_color_dark="#dcdfe3",
        block_title_text_color="#363d46",
        block_title_text_color_dark="#dcdfe3",
        block_info_text_color="#4a525c",
        block_info_text_color_dark="#aab1ba",
        input_background_fill="#ffffff",
        input_background_fill_dark="#111418",
        input_border_color="#8f97a1",
        input_border_color_dark="#666e79",
        input_border_width="1px",
        input_placeholder_color="#666e79",
        input_placeholder_color_dark="#8f97a1",
        button_primary_background_fill="#1d6a57",
        button_primary_background_fill_hover="#195547",
        button_primary_background_fill_dark="#1d6a57",
        button_primary_background_fill_hover_dark="#2a836c",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#eceef0",
        button_secondary_background_fill_dark="#242a31",
        button_secondary_text_color="#242a31",
        button_secondary_text_color_dark="#eceef0",
        checkbox_label_text_color="#242a31",
        checkbox_label_text_color_dark="#eceef0",
        checkbox_label_background_fill="#eceef0",
        checkbox_label_background_fill_dark="#242a31",
        checkbox_label_background_fill_selected="#d6ece5",
        checkbox_label_background_fill_selected_dark="#17443a",
        checkbox_label_text_color_selected="#143831",
        checkbox_label_text_color_selected_dark="#eef7f4",
        slider_color="#1d6a57",
        slider_color_dark="#4aa189",
        link_text_color="#1d6a57",
        link_text_color_dark="#7dc0ab",
    )
