"""The invented people and companies of the demo data. Domains end in .example, which nobody can own."""

from __future__ import annotations

PEOPLE = [
    ("Amara", "Okafor"), ("Jonas", "Lindqvist"), ("Priya", "Raman"), ("Mateo", "Salvatierra"), ("Ingrid", "Halvorsen"),
    ("Tobias", "Krämer"), ("Leïla", "Benmoussa"), ("Owen", "Tregarth"), ("Sofia", "Marchetti"), ("Dawit", "Haile"),
    ("Зоя", "Климова"), ("Иван", "Петренко"), ("美咲", "高橋"), ("偉", "陳"), ("민준", "박"), ("ليلى", "حداد"),
    ("Ελένη", "Παππά"), ("นภา", "ศรีสุข"), ("Chloé", "D'Aubigny"), ("Nuno", "Figueiredo"), ("Hana", "Novotná"),
    ("Rasmus", "Østergaard"), ("Grace", "Adeyemi"), ("Elif", "Yıldız"), ("Kai", "Nakamura-Webb"),
    ("Ruth", "Penhaligon"),
]  # fmt: skip
COMPANIES = [
    "Northwind Foundry", "Brightwater Analytics", "Cedarline Logistics", "Aurora Metering", "Halcyon Freight",
    "Quill & Harbor", "Vantage Orchards", "Kestrel Robotics", "Marlowe Energy", "Tidewell Health", "Obsidian Retail",
    "Fernhill Software", "Lumen Textiles", "Pinnacle Ceramics", "Saltmarsh Foods", "Greywater Systems", "Ostrava Optik",
    "Yamabuki Seiki", "Delta Cartography", "Rowan Insurance", "Ember Learning", "Polder Dynamics", "Juniper Biotech",
    "Blue Heron Mobility", "Castellan Security", "Meridian Print", "Thistle Payments", "Ironbridge Tooling",
]  # fmt: skip
TITLES = [
    "Head of Procurement", "VP Engineering", "Chief Revenue Officer", "IT Director", "Operations Manager",
    "Marketing Lead", "Data Platform Owner", "Founder", "Head of Growth",
]  # fmt: skip
CLIENTS = ["client_aurora", "client_brightwater", "client_cedarline"]
SOURCES = ["web_form", "conference_list", "directory", "partner_referral"]


def domain(company: str) -> str:
    return "".join(letter for letter in company.lower() if letter.isalnum()) + ".example"
